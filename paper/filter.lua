-- What the Markdown of the project becomes in Typst, by rule.

local shown = {} -- the listings so far

local function typst(text) return pandoc.RawInline("typst", text) end
local function block(text) return pandoc.RawBlock("typst", text) end

local function quoted(text)
  return '"' .. text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""):gsub("\\", "\\\\"):gsub('"', '\\"') .. '"'
end

-- A formula has its TeX as alternative text. Only a displayed one with a label has a number.
local function formula(math)
  local displayed = math.mathtype == "DisplayMath"
  local label = math.text:match("\\label{(eq:[%w_-]+)}")
  math.text = math.text:gsub("%s*\\label{[^}]*}", "")
  local plain = pandoc.Pandoc({ pandoc.Plain({ pandoc.Math("InlineMath", math.text) }) })
  local body = pandoc.write(plain, "typst", { wrap_text = "none" }):match("^%$(.*)%$%s*$")
  body = body:gsub("dot%.circle", "dot.o")
  for name in math.text:gmatch("\\operatorname{(%a+)}") do
    body = body:gsub('"' .. name .. '"', 'op("' .. name .. '")')
  end
  body = body:gsub(' *upright(%("[^"]*"%)) *', "#math.upright%1;") -- no spaces beside its own
  if not displayed then return typst("#formula(" .. quoted(math.text) .. ")[$" .. body .. "$];") end
  local options = label and ", numbered: true" or ""
  local anchor = label and " <" .. label .. ">" or ""
  return typst("#display(" .. quoted(math.text) .. options .. ")[$ " .. body .. " $" .. anchor .. "];")
end

-- @eq:, @sec:, @fig: and @tbl: are references within the paper; all other keys are those of the bibliography.
local function reference(cite)
  local id = cite.citations[1].id
  if id:match("^eq:") or id:match("^sec:") or id:match("^fig:") or id:match("^tbl:") then
    return typst("#ref(<" .. id .. ">);")
  end
end

-- A link to a derivation names its section; another page of the site is not in the paper.
local function link(element)
  local page = element.target:match("^([%w_-]+)%.md$")
  if element.target:match("write%-ups%.md$") then page = "write-ups" end
  if page then
    local inlines = element.content
    inlines:extend({ typst("~(#ref(<sec:" .. page .. ">))") })
    return inlines
  end
  if not element.target:match("^https?:") then return element.content end
end

local function figure(element)
  local image = element.content[1].content[1]
  local head = "#figure(image(" .. quoted("/" .. image.src) .. ", width: " .. (image.attributes.width or "100%")
    .. ", alt: " .. quoted(pandoc.utils.stringify(image.caption)) .. "), placement: auto, caption: ["
  local blocks = pandoc.Blocks({ block(head) })
  blocks:extend(element.caption.long)
  blocks:insert(block("]) <" .. element.identifier .. ">"))
  return blocks
end

local function listing(code)
  local title = code.attributes.title
  if not title then return nil end
  local label = "lst:" .. title:gsub("[^%w]+", "-")
  if shown[title] then return pandoc.Para({ pandoc.Code(title:match("[%w_.]+$")), typst(" is #ref(<" .. label .. ">).") }) end
  shown[title] = true
  return { block("#listing(" .. quoted(title) .. ")["), code, block("] <" .. label .. ">") }
end

-- A table may go over several pages only if it is a long one.
local function whole(element)
  if #element.bodies[1].body > 12 then return nil end
  return { block("#[#show figure: set block(breakable: false)"), element, block("]") }
end

local function division(element)
  local class = element.classes[1]
  if class == "derivation" then
    return element.content:walk({
      Header = function(header)
        header.level = header.level + 1
        return header
      end,
    })
  end
  local head = class == "remark" and "remark(" .. quoted(element.attributes.title) .. ")" or class
  element.content:insert(1, block("#" .. head .. "["))
  element.content:insert(block("]"))
  return element.content
end

return {
  { Math = formula, Cite = reference, Link = link, Figure = figure, CodeBlock = listing, Table = whole },
  { Div = division },
}
