-- What the Markdown of the project becomes in Typst, by rule.

local sections = {} -- of this document
local shown = {} -- the listings so far

local function typst(text) return pandoc.RawInline("typst", text) end
local function block(text) return pandoc.RawBlock("typst", text) end

local function quoted(text)
  return '"' .. text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""):gsub("\\", "\\\\"):gsub('"', '\\"') .. '"'
end

-- A formula has its TeX as alternative text. Only a displayed one with a label has a number. Marks of symbols come before it.
local function formula(math)
  local displayed = math.mathtype == "DisplayMath"
  local marks = ""
  for number in math.text:gmatch("\\symbol{(%d+)}") do marks = marks .. '#symbol("' .. number .. '");' end
  math.text = math.text:gsub("\\symbol{%d+}", "")
  local label = math.text:match("\\label{(eq:[%w_-]+)}")
  math.text = math.text:gsub("%s*\\label{[^}]*}", "")
  local plain = pandoc.Pandoc({ pandoc.Plain({ pandoc.Math("InlineMath", math.text) }) })
  local body = pandoc.write(plain, "typst", { wrap_text = "none" }):match("^%$(.*)%$%s*$")
  body = body:gsub("dot%.circle", "dot.o"):gsub("sans%(T%)", "upright(sans(T))")
  for name in math.text:gmatch("\\operatorname{(%a+)}") do
    body = body:gsub('"' .. name .. '"', 'op("' .. name .. '")')
  end
  body = body:gsub(' *upright(%("[^"]*"%)) *', "#math.upright%1;") -- no spaces beside its own
  if not displayed then return typst("#formula(" .. quoted(math.text) .. ")[$" .. body .. "$];") end
  local options = label and ", numbered: true" or ""
  local anchor = label and " <" .. label .. ">" or ""
  return typst(marks .. "#display(" .. quoted(math.text) .. options .. ")[$ " .. body .. " $" .. anchor .. "];")
end

-- @eq:, @sec:, @fig: and @tbl: are references within the paper; all other keys are those of the bibliography.
local function reference(cite)
  local id = cite.citations[1].id
  if id:match("^eq:") or id:match("^sec:") or id:match("^fig:") or id:match("^tbl:") then
    return typst("#ref(<" .. id .. ">);")
  end
end

local function register(header)
  sections[header.identifier] = true
end

-- A link to a page of the site names its section, if it is in this document.
local function links(inlines)
  for i, element in ipairs(inlines) do
    if element.t == "Link" then
      local page = element.target:match("([%w_-]+)%.md$") or element.target:match("([%w_-]+)%.md#[%w_-]+$")
      page = page and sections["sec:" .. page] and page
      local before = inlines[i - 1]
      local bracketed = before and before.t == "Str" and before.text:match("%($")
      if page then
        element.content:insert(typst((bracketed and ", #ref(<sec:" or "~(#ref(<sec:") .. page .. (bracketed and ">)" or ">))")))
      end
      if page or not element.target:match("^https?:") then inlines[i] = pandoc.Span(element.content) end
    end
  end
  return inlines
end

local function figure(element)
  local image = element.content[1].content[1]
  local head = "#figure(image(" .. quoted("/" .. image.src) .. ", width: " .. (image.attributes.width or "100%")
    .. ", alt: " .. quoted(pandoc.utils.stringify(image.caption)) .. "), placement: "
    .. (image.attributes.placement or "none") .. ", caption: ["
  local blocks = pandoc.Blocks({ block(head) })
  blocks:extend(element.caption.long)
  blocks:insert(block("]) <" .. element.identifier .. ">"))
  return blocks
end

-- A picture's caption is the first sentence of its alternative text.
local function picture(code)
  local width = math.min(100, tonumber(code.text:match('width="([%d.]+)pt"')) / 504 * 100) -- of seven inches, and no wider
  local alt = code.attributes.alt
  return { block("#figure(image(bytes(" .. quoted(code.text) .. "), format: \"svg\", width: " .. ("%.0f%%"):format(width)
    .. ", alt: " .. quoted(alt) .. "), caption: " .. quoted(alt:match("^.-%.%f[%s\0]") or alt) .. ")") }
end

local COLUMNS = 98 -- of a listing at its usual size

local function listing(code)
  if code.classes[1] == "svg" then return picture(code) end
  local title = code.attributes.title
  if not title then return nil end
  local columns = COLUMNS
  for line in code.text:gsub("@eq:[%w_-]+", "(999)"):gmatch("[^\n]+") do columns = math.max(columns, utf8.len(line)) end
  shown[title] = "lst:" .. title:gsub("[^%w]+", "-")
  return {
    block("#listing(" .. quoted(title) .. (", scale: %d%%)["):format(100 * COLUMNS // columns)),
    code,
    block("] <" .. shown[title] .. ">"),
  }
end

-- A listing that has been shown is named by its number, at the end of the paragraph before it.
local function listings(blocks)
  local kept, again = pandoc.Blocks({}), pandoc.List({})
  local function name()
    if #again == 0 then return end
    local names = typst(table.concat(again, " and ") .. ".")
    if kept[#kept].t ~= "Para" then kept:insert(pandoc.Para({})) end
    local before = pandoc.utils.stringify(kept[#kept])
    local see = (before == "" or before:match("%.$")) and "See" or "see"
    kept[#kept].content:extend({ pandoc.Space(), pandoc.Str(see), pandoc.Space(), names })
    again = pandoc.List({})
  end
  for _, element in ipairs(blocks) do
    local label = element.t == "CodeBlock" and shown[element.attributes.title]
    if label then
      again:insert("#ref(<" .. label .. ">);")
    else
      name()
      kept:extend(element.t == "CodeBlock" and listing(element) or { element })
    end
  end
  name()
  return kept
end

local function whole(element)
  local options = element.classes:includes("breakable") and "(long: true)" or ""
  return { block("#whole" .. options .. "["), element, block("]") }
end

-- A division of the class breakable lets its tables go on on the next page, however short they are.
local function breakable(division)
  if not division.classes:includes("breakable") then return nil end
  return division.content:walk({
    Table = function(element)
      element.classes:insert("breakable")
      return element
    end,
  })
end

local function displayed(element)
  local math = element and element.t == "Para" and #element.content == 1 and element.content[1]
  return math and math.mathtype == "DisplayMath"
end

local function pictured(element)
  return element and element.t == "RawBlock" and element.text:match("^#figure%(image%(bytes")
end

-- A paragraph stays with the displayed formula or the picture that it leads to, or with whatever follows its colon, and
-- so does one between a heading and another, or a table.
local function leading(blocks)
  local function heading(i) return blocks[i] and blocks[i].t == "Header" end
  local function leads(i)
    local after = blocks[i + 1]
    return heading(i - 1) and after and (after.t == "Header" or after.t == "Table") or displayed(after) or pictured(after)
      or after and pandoc.utils.stringify(blocks[i]):match(":$")
  end
  local found = pandoc.List({})
  for i, element in ipairs(blocks) do
    if element.t == "Para" and not displayed(element) and leads(i) then found:insert(element) end
  end
  for _, element in ipairs(found) do
    element.content:insert(1, typst("#lead["))
    element.content:insert(typst("]"))
  end
  return blocks
end

-- The marks of the index in a heading come after it, as the contents repeat what it holds.
local function marked(header)
  local marks = pandoc.List({})
  header.content = header.content:filter(function(inline)
    local mark = inline.t == "RawInline" and inline.text:match("^#index%(")
    if mark then marks:insert(inline.text) end
    return not mark
  end)
  if #marks > 0 then return { header, block(table.concat(marks)) } end
end

-- Tables of a page of the site are as wide as what is in them, and their columns begin with capitals.
local SITE = {
  Table = function(element)
    for i, column in ipairs(element.colspecs) do element.colspecs[i] = { column[1], nil } end
    for _, cell in ipairs(element.head.rows[1].cells) do
      local first = cell.contents[1] and cell.contents[1].content[1]
      if first and first.t == "Str" then first.text = first.text:gsub("^%l", string.upper) end
    end
    return element
  end,
}

local function division(element)
  local class = element.classes[1]
  if class == "site" then return element.content:walk(SITE) end
  local title = element.attributes.title
  local head = title and class .. "(" .. quoted(title) .. ")" or class
  element.content:insert(1, block("#" .. head .. "["))
  element.content:insert(block("]"))
  return element.content
end

return {
  { Header = register, Div = breakable },
  { Blocks = function(blocks) return leading(listings(blocks)) end },
  { Math = formula, Cite = reference, Inlines = links, Figure = figure, Table = whole, Header = marked },
  { Div = division },
}
